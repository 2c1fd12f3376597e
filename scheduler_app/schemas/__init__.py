"""Wire shapes: what comes in is refused unless it fits, what goes out is documented here and rendered cheaply."""
