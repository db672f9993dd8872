"""Files of ratings, films and pairs, read and checked line by line."""
