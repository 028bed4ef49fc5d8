"""Pictures in, pictures out: the edge where files are opened and formats are known."""
