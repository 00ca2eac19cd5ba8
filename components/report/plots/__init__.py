"""Pictures for the page: SVG in the page itself, whose colours follow the page's."""
