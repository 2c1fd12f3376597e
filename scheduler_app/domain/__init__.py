"""The words of the field as frozen values: pure, no framework, no clock, no store."""
