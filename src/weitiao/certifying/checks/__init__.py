"""What `weitiao certify` measures. One file each; its name is the check's name. See `weitiao.certifying.Check`."""
