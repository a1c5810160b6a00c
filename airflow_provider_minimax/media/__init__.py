"""Files of jobs: their names, and how they are downloaded."""
