#!/usr/bin/env python3
"""check_page.py FILE...: whether pages and pictures are well formed, by parsers that are not ours.

.html: every element is closed in order, ids occur once, what refers to an id finds it, each picture has a title and a
description, JSON inside the page is JSON, and each inline picture is XML. .svg: it is XML."""
import json
import re
import sys
import xml.etree.ElementTree as etree
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Checker(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.wanted, self.problems, self.script = [], set(), [], [], None

    def note(self, text):
        self.problems.append(f"line {self.getpos()[0]}: {text}")

    def attributes(self, tag, attributes):
        names = [name for name, _ in attributes]
        if len(set(names)) < len(names):
            self.note(f"<{tag}> has an attribute twice")
        for name, value in attributes:
            if name == "id":
                if value in self.ids:
                    self.note(f"id {value} twice")
                self.ids.add(value)
            if name == "aria-labelledby":
                self.wanted += value.split()
        if tag == "svg" and ("role", "img") not in attributes:
            self.note("a picture without role=img")

    def handle_starttag(self, tag, attributes):
        self.attributes(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            if ("type", "application/json") not in attributes:
                self.note("a script that is not data")
            self.script = ""

    def handle_startendtag(self, tag, attributes):
        self.attributes(tag, attributes)

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.note(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()
        if tag == "script":
            json.loads(self.script)
            self.script = None

    def handle_data(self, data):
        if self.script is not None:
            self.script += data


def check(path):
    text = open(path, encoding="utf-8").read()
    if path.endswith(".svg"):
        etree.fromstring(text)
        return []
    checker = Checker()
    checker.feed(text)
    checker.close()
    for name in checker.wanted:
        if name not in checker.ids:
            checker.note(f"nothing has the id {name}")
    if checker.open:
        checker.note(f"never closed: {checker.open}")
    for picture in re.findall(r"<svg .*?</svg>", text, re.S):
        root = etree.fromstring(picture)
        kinds = [child.tag.split("}")[-1] for child in root[:2]]
        if kinds != ["title", "desc"] or not all(child.text for child in root[:2]):
            checker.note("a picture without title and description")
    return checker.problems


failed = False
for path in sys.argv[1:]:
    for problem in check(path):
        print(f"{path}: {problem}", file=sys.stderr)
        failed = True
sys.exit(failed)
