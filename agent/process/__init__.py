"""The agent as a process: its jobs, threads and memory, and what the service manager is told. Knows no plant."""
