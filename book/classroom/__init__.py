"""The teacher's kit: what `make class` makes of the chapters, the guides and the questions."""
