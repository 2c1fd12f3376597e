"""What a test author uses: the fake clock, and the pytest plugin that hands it out."""
