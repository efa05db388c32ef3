#!/usr/bin/env node
// npm and npx as ever; where no registry is given, the packages of this image are one, on a port of this process.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

const STOCK = "/opt/node/stock";
const program = path.basename(process.argv[1]);
const cli = path.join(path.dirname(fs.realpathSync(process.execPath)), "../lib/node_modules/npm/bin", `${program}-cli.js`);

function answer(request, response) {
  const { latest, versions } = JSON.parse(fs.readFileSync(`${STOCK}/index.json`, "utf8"));
  const [, name, file] = /^\/((?:@[^/]+\/)?[^/]+)(?:\/-\/([^/]+))?$/.exec(decodeURIComponent(request.url)) ?? [];
  const known = Object.hasOwn(versions, name ?? "") ? versions[name] : {};
  const filed = (version) => `${name.slice(name.indexOf("/") + 1)}-${version}.tgz`;
  if (file === undefined && Object.keys(known).length) {
    const host = `http://127.0.0.1:${request.socket.localPort}`;
    for (const version of Object.keys(known)) known[version].dist.tarball = `${host}/${name}/-/${filed(version)}`;
    const newest = latest[name] ?? Object.keys(known).at(-1);
    response.setHeader("Content-Type", "application/json");
    return response.end(JSON.stringify({ name, "dist-tags": { latest: newest }, versions: known }));
  }
  const version = Object.keys(known).find((each) => filed(each) === file);
  const packed = version && `${STOCK}/${name.replace("/", "+")}-${version}.tgz`;
  if (packed && fs.existsSync(packed)) return fs.createReadStream(packed).pipe(response);
  response.statusCode = 404;
  return response.end(JSON.stringify({ error: "there is no network here, and /opt/packages.txt names what is there" }));
}

// npm would take the folder of the libraries that are there for all as the project.
function hasProject(folder) {
  return folder !== "/" && (["package.json", "node_modules"].some((each) => fs.existsSync(path.join(folder, each))) || hasProject(path.dirname(folder)));
}
if (!hasProject(process.cwd()) && !process.argv.some((word) => /^(-g|--global|--prefix(=.*)?)$/.test(word))) {
  process.argv.splice(2, 0, `--prefix=${process.cwd()}`);
}
if (process.env.npm_config_registry) {
  require(cli);
} else {
  const server = http.createServer(answer);
  server.listen(0, "127.0.0.1", () => {
    process.env.npm_config_registry = `http://127.0.0.1:${server.address().port}/`;
    process.env.npm_config_replace_registry_host = "always";
    // Those of a lock file would be addresses of this process.
    process.env.npm_config_omit_lockfile_registry_resolved = "true";
    server.unref();
    require(cli);
  });
}
