"""Where the schema's migrations are; who opens the database (SQLite embedded, PostgreSQL in full) runs them.

history.database.migrate(engine, sharing.database.MIGRATIONS, sharing.database.LOCK)
"""

from pathlib import Path

MIGRATIONS = Path(__file__).with_name("migrations")
LOCK = 0x73686172696E67  # any number that is the same for every process that migrates these tables
