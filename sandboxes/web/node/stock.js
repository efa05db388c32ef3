// Installs what package-lock.json names for everybody, and keeps the packed files for `npm install` without a network.
//
// The lock file names no registry: each address is what every registry of npm's kind answers to.
"use strict";
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const [, , folder, cache] = process.argv;
const stock = path.join(folder, "stock");
const npm = (...words) => execFileSync("npm", words, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const registry = npm("config", "get", "registry").trim().replace(/\/*$/, "/");
const lock = JSON.parse(fs.readFileSync(path.join(folder, "package-lock.json"), "utf8"));
const locked = Object.entries(lock.packages).filter(([place]) => place);
const nameOf = (place) => place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
const fileOf = (name, version) => `${name.slice(name.indexOf("/") + 1)}-${version}.tgz`;

for (const [place, entry] of locked) {
  entry.resolved = `${registry}${nameOf(place)}/-/${fileOf(nameOf(place), entry.version)}`;
}
fs.writeFileSync(path.join(folder, "package-lock.json"), JSON.stringify(lock));
npm("install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error", `--cache=${cache}`);

const names = new Set(locked.map(([place]) => nameOf(place)));
const index = {};
fs.mkdirSync(stock);
for (const [place, { resolved, optional, ...entry }] of locked) {
  const name = nameOf(place);
  // A registry that lacks what other systems need is no reason for a lock file that cannot be carried out.
  entry.optionalDependencies &&= Object.fromEntries(Object.entries(entry.optionalDependencies).filter(([each]) => names.has(each)));
  const { integrity, ...manifest } = entry;
  (index[name] ??= {})[entry.version] = { name, ...manifest, dist: { integrity } };
  const [algorithm, digest] = integrity.split("-");
  const hex = Buffer.from(digest, "base64").toString("hex");
  const packed = path.join(cache, "_cacache/content-v2", algorithm, hex.slice(0, 2), hex.slice(2, 4), hex.slice(4));
  if (fs.existsSync(packed)) {
    const target = path.join(stock, name.replace("/", "+") + `-${entry.version}.tgz`);
    fs.copyFileSync(packed, target);
    fs.chmodSync(target, 0o644);
  }
}
const latest = Object.fromEntries(locked.filter(([place]) => place === `node_modules/${nameOf(place)}`).map(([place, { version }]) => [nameOf(place), version]));
fs.writeFileSync(path.join(stock, "index.json"), JSON.stringify({ latest, versions: index }));

fs.rmSync(path.join(folder, "package-lock.json"));
fs.rmSync(path.join(folder, "node_modules/.package-lock.json"));
fs.renameSync(path.join(folder, "node_modules"), "/node_modules");
for (const each of fs.readdirSync("/node_modules", { recursive: true, withFileTypes: true })) {
  // Of use to those who work on the library itself.
  if (each.isFile() && /\.(map|md|markdown)$/i.test(each.name)) fs.rmSync(path.join(each.parentPath, each.name));
}
