"""What everything stands on: files that are whole, strict JSON, safe text, checked numbers."""
