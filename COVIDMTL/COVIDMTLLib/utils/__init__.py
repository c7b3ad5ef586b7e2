"""What every layer may use: errors, progress, texts, tables, files, versions. Imports nothing else of the program."""
