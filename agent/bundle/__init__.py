"""Evidence of a period in one file, for somebody who has nothing but the program and that file."""
