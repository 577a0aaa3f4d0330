// The page's elements: found by their ids, and made.

/** @param {string} id */
export const byId = (id) => document.getElementById(id);

/** Write a sentence, if it is another: what hears an element would be told it again. @param {string} id @param {string} sentence */
export function say(id, sentence) {
  if (byId(id).textContent !== sentence) byId(id).textContent = sentence;
}

/**
 * A new element.
 * @param {string} name @param {object} [properties] such as `textContent` @param {...(Node | string)} children
 */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Each of some sentences in an element of its own. @param {string} name of these @param {string[]} sentences */
export const each = (name, sentences) => sentences.map((textContent) => element(name, { textContent }));
