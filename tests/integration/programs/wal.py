"""Answers each line with its number: that of the rows of a database, which is in memory that sqlite maps shared and writable (its
index of the log), and in a file that is written by calls. A connection of its own for every other line."""

import os
import sqlite3
import sys


def connected():
    database = sqlite3.connect("lines.db", isolation_level=None)
    database.execute("pragma journal_mode=wal")
    database.execute("pragma synchronous=off")
    return database


def add(database, text):
    database.execute("insert into t (line) values (?)", (text,))
    return database.execute("select count(*) from t").fetchone()[0]


def main():
    first = connected()
    first.execute("create table t (n integer primary key, line text)")
    text = b"ready\n"
    while text:
        line = text.decode().strip()
        other = connected() if len(text) % 2 else first
        os.write(1, f"{add(other, line)} {line}\n".encode())
        if other is not first:
            other.close()
        text = os.read(0, 100)
    sys.exit(5)


main()
