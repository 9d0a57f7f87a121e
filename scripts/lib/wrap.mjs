const width = 120;

/** Markdown whose prose and lists are at most 120 columns wide. Tables stay, and so do words that are longer. */
export const wrap = (markdown) => markdown.replace(/^(?!\|).*$/gm, wrapLine);

function wrapLine(line) {
  const [start] = /^ *(?:- )?/.exec(line);
  const lines = [];
  for (const word of line.slice(start.length).split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length + start.length <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return start + lines.join(`\n${" ".repeat(start.length)}`);
}
