"""Charts as SVG that takes its colors from the page, so that they follow light, dark and print."""
