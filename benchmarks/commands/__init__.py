"""The subcommands: each measures something and tells what came out."""
