"""The scripts behind the tables in docs/, by what they measure; README.md lists them."""
