"""From raw numbers to Markdown and pictures."""
