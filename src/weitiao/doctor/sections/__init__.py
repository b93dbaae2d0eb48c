"""What the data doctor looks at. One file each; its name is the section's name. See `weitiao.doctor.Section`."""
