"""What everything stands on: errors, languages, atomic files, seeds, text. Imports nothing of weitiao's."""
