// The small run on Restate, for a Node that has its SDK: `node restate_runs.mjs PORT`.
import * as restate from "@restatedev/restate-sdk";

// Node 20 lacks what the SDK uses.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const runner = restate.service({
  name: "Runner",
  handlers: {
    run: async (ctx, given) => {
      await ctx.run("plan", () => ({ id: "plan", ok: true }));
      for (const name of ["first", "second", "third"]) {
        await ctx.run(name, () => ({ id: name, ok: true }));
      }
      for (let event = 0; event < 5; event++) {
        await ctx.run(`event-${event}`, () => ({ number: given.number }));
      }
      return "done";
    },
  },
});

restate.serve({ services: [runner], port: Number(process.argv[2]) });
