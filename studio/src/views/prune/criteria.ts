/** The criteria that the page offers, each in a sentence. */

interface About {
  readonly what: string;
  readonly needsData: boolean;
}

const table: Readonly<Record<string, About>> = {
  "taylor-fo": {
    what: "The squared change of the loss when a unit goes, from one gradient over minibatches. The best at most sizes.",
    needsData: true,
  },
  "taylor-fo-fg": { what: "The same, sample by sample, which sees more where the net fits its data.", needsData: true },
  "fisher-cost": { what: "The squared gradients of samples, for what a unit costs.", needsData: true },
  oracle: { what: "The loss with each unit removed, one after another: exact, and slow.", needsData: true },
  wanda: { what: "The size of weights times that of what they multiply.", needsData: true },
  apoz: { what: "How often an activation is not zero.", needsData: true },
  magnitude: { what: "The size of the weights. It needs no data.", needsData: false },
  "bn-scale": { what: "The scale of the BatchNormalization behind a unit. It needs no data.", needsData: false },
  fpgm: { what: "How far the weights of a unit are from those of its neighbours. It needs no data.", needsData: false },
  random: { what: "Chance: what any criterion has to beat.", needsData: false },
};

export const criterionNames = Object.keys(table);
export const describeCriterion = (name: string): About => table[name]!;
