"""Record the first hour with Tempo: give the commands of a page and take a picture after each."""
