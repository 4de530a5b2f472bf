/* The OpenAPI document as a person reads it. */

import { request } from "./api.js";

const $ = (id) => document.getElementById(id);
const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];
/* How deep an example follows schemas that hold each other. */
const DEEP = 5;
let api = {};

/* An element; what it holds are texts and elements. */
function make(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== ""));
  return made;
}

/* A line of Markdown: code, strong text and links. */
function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)\s]+\))/).map((part) => {
    if (/^`.+`$/.test(part)) return make("code", {}, part.slice(1, -1));
    if (/^\*\*.+\*\*$/.test(part)) return make("b", {}, part.slice(2, -2));
    const link = /^\[([^\]]+)\]\(((?:https?:\/\/|#|\.?\/)[^)\s]*)\)$/.exec(part);
    return link ? make("a", { href: link[2] }, link[1]) : part;
  });
}

/* Paragraphs, lists and blocks of code. */
function prose(text) {
  return (text ?? "").split(/(```[\s\S]*?```)/).flatMap((block) => {
    if (block.startsWith("```")) return make("pre", {}, block.replace(/^```[^\n]*\n?|```$/g, ""));
    return block.split(/\n\s*\n/).filter((p) => p.trim()).map((paragraph) => {
      const lines = paragraph.trim().split("\n");
      if (lines.every((line) => /^\s*([-*]\s|\s{2,})/.test(line)) && /^\s*[-*]\s/.test(lines[0])) {
        const items = paragraph.trim().split(/\n?\s*^\s*[-*]\s+/m).filter(Boolean);
        return make("ul", {}, items.map((item) => make("li", {}, inline(item.replace(/\s+/g, " ").trim()))));
      }
      const heading = /^#+\s+(.*)$/.exec(lines[0]);
      return heading ? make("h4", {}, inline(heading[1])) : make("p", {}, inline(lines.join(" ")));
    });
  });
}

/* What a `$ref` stands for; the thing itself where it is none. */
function resolved(thing) {
  let at = thing;
  for (let hops = 0; at?.$ref && hops < 20; hops++) {
    const parts = at.$ref.replace(/^#\//, "").split("/").map((p) => p.replaceAll("~1", "/").replaceAll("~0", "~"));
    at = parts.reduce((inside, key) => inside?.[key], api);
  }
  return at ?? {};
}

const nameOf = (ref) => ref.split("/").pop();
const joined = (parts, between) => parts.flatMap((part, i) => (i ? [between, ...part] : part));

/* The type of a schema in a few words, with links to the schemas that it names. */
function type(schema) {
  if (schema === undefined || schema === true) return ["anything"];
  if (schema === false) return ["nothing"];
  if (schema.$ref) return [make("a", { href: "#schema-" + nameOf(schema.$ref) }, nameOf(schema.$ref))];
  if ("const" in schema) return [make("code", {}, JSON.stringify(schema.const))];
  if (schema.enum) return joined(schema.enum.map((value) => [make("code", {}, JSON.stringify(value))]), " or ");
  for (const key of ["oneOf", "anyOf"]) if (schema[key]) return joined(schema[key].map(type), " or ");
  if (schema.allOf) return joined(schema.allOf.map(type), " and ");
  const kinds = [schema.type ?? (schema.properties ? "object" : "anything")].flat();
  return joined(kinds.map((kind) => {
    if (kind === "array" && schema.prefixItems) return ["array of ", ...joined(schema.prefixItems.map(type), ", ")];
    if (kind === "array") return ["array of ", ...type(schema.items)];
    if (kind === "object" && schema.additionalProperties && !schema.properties) return ["object of ", ...type(schema.additionalProperties), " by name"];
    return [kind + (schema.format && kind !== "null" ? " (" + schema.format + ")" : "")];
  }), " or ");
}

/* The limits of a schema. */
function limits(schema) {
  const said = {
    minimum: "at least", maximum: "at most", exclusiveMinimum: "more than", exclusiveMaximum: "less than",
    minLength: "letters at least", maxLength: "letters at most", minItems: "items at least", maxItems: "items at most",
    pattern: "pattern", default: "default",
  };
  return Object.keys(said).filter((key) => key in schema).map((key) => said[key] + " " + JSON.stringify(schema[key])).join("; ");
}

/* An example value of a schema. */
function example(schema, depth = 0) {
  if (typeof schema !== "object" || schema === null) return null;
  if (schema.example !== undefined) return schema.example;
  if (schema.examples?.length) return schema.examples[0];
  if (depth > DEEP) return null;
  if (schema.$ref) return example(resolved(schema), depth + 1);
  if ("default" in schema) return schema.default;
  if ("const" in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.allOf) {
    const parts = schema.allOf.map((part) => example(part, depth + 1));
    return parts.every((part) => part && typeof part === "object") ? Object.assign({}, ...parts) : parts[0];
  }
  const some = schema.oneOf ?? schema.anyOf;
  if (some) return example(some.find((one) => one.type !== "null") ?? some[0], depth + 1);
  const kind = [schema.type].flat().find((one) => one !== "null") ?? (schema.properties ? "object" : null);
  if (kind === "object") return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([key, value]) => [key, example(value, depth + 1)]));
  if (kind === "array") return schema.items ? [example(schema.items, depth + 1)] : [];
  return { string: "text", integer: 0, number: 0.5, boolean: true }[kind] ?? null;
}

const wide = (inside) => make("div", { class: "wide", tabindex: "0" }, inside);
const head = (...names) => make("thead", {}, make("tr", {}, names.map((name) => make("th", { scope: "col" }, name))));

/* What fields a schema has, as a table; nothing where it has none. */
function fields(schema) {
  const parts = [schema, ...(schema.allOf ?? []).map(resolved)];
  const rows = parts.flatMap((part) => Object.entries(part.properties ?? {}).map(([key, value]) => {
    const limit = limits(value);
    return make("tr", {},
      make("td", {}, make("code", {}, key), (part.required ?? []).includes(key) ? "" : make("small", {}, " optional")),
      make("td", {}, type(value)),
      make("td", {}, prose(value.description), limit ? make("small", {}, limit) : ""));
  }));
  return rows.length ? wide(make("table", {}, head("Field", "Type", "What it is"), make("tbody", {}, rows))) : "";
}

/* The bodies of a request or an answer, one for each media type. */
function bodies(content) {
  return Object.entries(content ?? {}).map(([media, body]) => {
    const schema = body.schema;
    const binary = schema?.format === "binary" || schema?.contentMediaType || schema === undefined;
    const given = body.example ?? Object.values(body.examples ?? {}).map(resolved)[0]?.value;
    const value = given ?? (/json/.test(media) && !binary ? example(schema) : null);
    const shown = typeof value === "string" && !/json/.test(media) ? value : JSON.stringify(value, null, 2);
    const what = binary ? ["bytes"] : type(schema);
    return make("div", {},
      make("p", {}, make("code", {}, media), ": ", what),
      schema && !schema.$ref ? fields(schema) : "",
      value === null || value === undefined ? "" : make("details", {}, make("summary", {}, "Example"), make("pre", { tabindex: "0" }, shown)));
  });
}

function parameters(list) {
  if (!list.length) return [];
  const rows = list.map((p) => {
    const schema = p.schema ?? {}, limit = limits(resolved(schema));
    return make("tr", {},
      make("td", {}, make("code", {}, p.name), make("small", {}, " " + p.in + (p.required ? "" : ", optional"))),
      make("td", {}, type(schema)),
      make("td", {}, prose(p.description), limit ? make("small", {}, limit) : ""));
  });
  return [make("h4", {}, "Parameters"), wide(make("table", {}, head("Name", "Type", "What it is"), make("tbody", {}, rows)))];
}

function answers(responses) {
  return Object.entries(responses ?? {}).map(([status, response]) => {
    const answer = resolved(response);
    const headers = Object.entries(answer.headers ?? {}).map(([name, header]) => make("li", {}, "Header ", make("code", {}, name), ": ", inline(resolved(header).description ?? "")));
    return make("div", {},
      make("p", {}, make("span", { class: "status" }, status), " ", inline(answer.description ?? "")),
      headers.length ? make("ul", {}, headers) : "",
      bodies(answer.content));
  });
}

/* Whether an operation needs the token. */
function guarded(operation) {
  const security = operation.security ?? api.security ?? [];
  return security.some((one) => Object.keys(one).length > 0);
}

const idOf = (method, path) => "operation-" + method + path.replace(/[^A-Za-z0-9]+/g, "-");
const called = (method, path) => [make("b", { class: "method " + method }, method.toUpperCase()), make("code", {}, path)];

function operation({ method, path, shared, is }) {
  const list = [...shared, ...(is.parameters ?? [])].map(resolved);
  const body = is.requestBody ? resolved(is.requestBody) : null;
  const summary = is.summary || (is.description ?? "").split("\n")[0];
  const rest = is.description === summary ? "" : (is.description ?? "");
  return make("details", { class: "operation", id: idOf(method, path) },
    make("summary", {}, called(method, path), " ", make("span", { class: "rule" }, inline(summary), is.deprecated ? " (deprecated)" : "")),
    make("div", { class: "inside" },
      prose(rest.startsWith(summary) ? rest.slice(summary.length) : rest),
      guarded(is) ? make("p", { class: "rule" }, "Needs the bearer token where the server has one.") : "",
      parameters(list),
      body ? [make("h4", {}, "Body" + (body.required === false ? " (optional)" : "")), prose(body.description), bodies(body.content)] : "",
      make("h4", {}, "Answers"), answers(is.responses)));
}

/* The operations under their tags, in the document's order. */
function byTag() {
  const tags = new Map((api.tags ?? []).map((tag) => [tag.name, { tag, operations: [] }]));
  for (const [path, item] of Object.entries(api.paths ?? {})) {
    for (const method of METHODS) {
      const is = item[method];
      if (!is) continue;
      const name = is.tags?.[0] ?? "other";
      if (!tags.has(name)) tags.set(name, { tag: { name }, operations: [] });
      tags.get(name).operations.push({ method, path, shared: item.parameters ?? [], is });
    }
  }
  return [...tags.values()].filter((one) => one.operations.length);
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function render() {
  const title = (api.info?.title ?? "The interface") + ": the interface";
  $("title").textContent = title;
  $("about").append(make("p", { class: "rule" }, "Version ", api.info?.version ?? "?", ", OpenAPI ", api.openapi ?? "?"), ...prose(api.info?.description));
  for (const { tag, operations } of byTag()) {
    const id = "tag-" + tag.name.replace(/\W+/g, "-");
    $("contents").append(make("h3", {}, make("a", { href: "#" + id }, capital(tag.name))),
      make("ul", {}, operations.map(({ method, path }) => make("li", {}, make("a", { href: "#" + idOf(method, path) }, method.toUpperCase() + " " + path)))));
    $("operations").append(make("h2", { id }, capital(tag.name)), ...prose(tag.description), ...operations.map(operation));
  }
  const schemas = Object.entries(api.components?.schemas ?? {});
  if (schemas.length) $("schemas").append(make("h2", {}, "Schemas"));
  for (const [name, schema] of schemas) {
    const value = example(schema);
    const variants = [...(schema.oneOf ?? []), ...(schema.anyOf ?? [])].filter((one) => one.properties).map((one) => [...prose(one.description), fields(one)]);
    $("schemas").append(make("details", { class: "schema", id: "schema-" + name },
      make("summary", {}, make("code", {}, name)),
      make("div", { class: "inside" }, prose(schema.description),
        schema.properties || schema.oneOf || schema.anyOf ? "" : make("p", {}, type(schema), " ", limits(schema)),
        fields(schema), variants,
        value === null ? "" : make("details", {}, make("summary", {}, "Example"), make("pre", { tabindex: "0" }, JSON.stringify(value, null, 2))))));
  }
}

/* Opens what the address names. */
function openNamed() {
  const target = location.hash && $(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.localName === "details") target.open = true;
  target.scrollIntoView();
}

try {
  api = await (await request("openapi.json")).json();
  render();
  window.addEventListener("hashchange", openNamed);
  openNamed();
} catch (error) {
  $("error").textContent = "The OpenAPI document cannot be read: " + error.message;
  $("error").hidden = false;
}
