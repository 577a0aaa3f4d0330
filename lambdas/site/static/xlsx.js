// A table as a spreadsheet's own file (Office Open XML, ECMA-376): the same columns, letters and numbers in every language of Excel.
// Of comma-separated values an Excel in German makes one column, and dates and thousands of what has a point.

const DECLARED = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>';
const OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE = "http://schemas.openxmlformats.org/package/2006";
const SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml";
const LONGEST = 32_767; // characters of a cell

const PARTS = {
  "[Content_Types].xml": `<Types xmlns="${PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="${KIND}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="${KIND}.worksheet+xml"/></Types>`,
  "_rels/.rels": `<Relationships xmlns="${PACKAGE}/relationships"><Relationship Id="rId1" Type="${OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
  "xl/workbook.xml": `<workbook xmlns="${SHEET}" xmlns:r="${OFFICE}"><sheets><sheet name="Predictions" sheetId="1" r:id="rId1"/></sheets></workbook>`,
  "xl/_rels/workbook.xml.rels": `<Relationships xmlns="${PACKAGE}/relationships"><Relationship Id="rId1" Type="${OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
};

/**
 * @param {unknown[][]} lines cells of at most 26 columns: numbers, booleans and texts, which are never formulas
 * @returns {Promise<Blob>}
 */
export async function workbook(lines) {
  const rows = lines.map((cells, at) => `<row r="${at + 1}">${cells.map((value, column) => cell(value, String.fromCharCode(65 + column) + (at + 1))).join("")}</row>`);
  const sheet = `<worksheet xmlns="${SHEET}"><sheetData>${rows.join("")}</sheetData></worksheet>`;
  return zipped({ ...PARTS, "xl/worksheets/sheet1.xml": sheet }, `${KIND}.sheet`);
}

function cell(value, place) {
  if (value === undefined || value === null || value === "") return "";
  if (typeof value === "number") return `<c r="${place}"><v>${value}</v></c>`;
  if (typeof value === "boolean") return `<c r="${place}" t="b"><v>${Number(value)}</v></c>`;
  return `<c r="${place}" t="inlineStr"><is><t xml:space="preserve">${escaped(String(value).slice(0, LONGEST))}</t></is></c>`;
}

// Names of files may hold what XML has no way to write, and what stands for another letter in a spreadsheet (ST_Xstring, ECMA-376-1, 22.9.2.19).
const escaped = (text) => text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "\ufffd").replace(/_(?=x[0-9a-f]{4}_)/gi, "_x005F_").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

// A zip archive (APPNOTE 6.3.10, 4.3) of XML files, each compressed as the browser does it.
async function zipped(parts, type) {
  const [files, directory] = [[], []];
  let offset = 0;
  for (const [name, text] of Object.entries(parts)) {
    const stream = new Blob([DECLARED + text]).stream().pipeThrough(new CompressionStream("gzip"));
    const gzip = new Uint8Array(await new Response(stream).arrayBuffer());
    // Behind ten bytes and before the checksum and the length lies what a zip holds as well (RFC 1952, 2.3).
    const [content, end] = [gzip.subarray(10, -8), new DataView(gzip.buffer, gzip.length - 8)];
    const path = new TextEncoder().encode(name);
    // Version 2.0, no flags, deflated, on the first day that there is.
    const described = numbers([2, 20], [2, 0], [2, 8], [2, 0], [2, 0x21], [4, end.getUint32(0, true)], [4, content.length], [4, end.getUint32(4, true)], [2, path.length], [2, 0]);
    files.push(numbers([4, 0x04034b50]), described, path, content);
    directory.push(numbers([4, 0x02014b50], [2, 20]), described, numbers([2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), path);
    offset += 4 + described.length + path.length + content.length;
  }
  const [count, size] = [Object.keys(parts).length, directory.reduce((sum, { length }) => sum + length, 0)];
  return new Blob([...files, ...directory, numbers([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0])], { type });
}

// Little-endian numbers of so many bytes each.
function numbers(...given) {
  const view = new DataView(new ArrayBuffer(given.reduce((sum, [bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [bytes, value] of given) {
    if (bytes === 4) view.setUint32(at, value, true);
    else view.setUint16(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}
