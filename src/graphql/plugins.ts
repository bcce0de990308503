import { parse, type ExecutionArgs } from "graphql";
import type { Plugin } from "graphql-yoga";
import { complexityProblem, MAX_TOKENS, nestingProblem } from "./complexity.ts";
import { badUserInput, queryTooComplex, withStableCode } from "./errors.ts";
import type { Live } from "./live.ts";

/** Refuses what would cost too much, before it costs anything. */
export function useComplexityLimits(): Plugin {
  const refuse = ({ document, variableValues }: Pick<ExecutionArgs, "document" | "variableValues">) => {
    const problem = complexityProblem(document, variableValues ?? {});
    return problem ? { errors: [queryTooComplex(problem)] } : undefined;
  };
  return {
    onParse({ setParseFn }) {
      setParseFn((source, options) => {
        const nesting = nestingProblem(typeof source === "string" ? source : source.body);
        if (nesting) throw queryTooComplex(nesting);
        const document = parse(source, { ...options, maxTokens: MAX_TOKENS });
        // Before validation, whose check for overlapping fields takes the square of their number.
        const problem = complexityProblem(document);
        if (problem) throw queryTooComplex(problem);
        return document;
      });
    },
    // Once more with the variables, which say how large the pages are.
    onExecute({ args, setResultAndStopExecution }) {
      const refusal = refuse(args);
      if (refusal) setResultAndStopExecution(refusal);
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const refusal = refuse(args);
      if (refusal) setResultAndStopExecution(refusal);
    },
  };
}

/** Yoga's own parsers take it for given that JSON within forms and addresses is JSON, and a form's map a map. */
export function useReadableRequests(): Plugin {
  return {
    onRequestParse({ requestParser, setRequestParser }) {
      if (!requestParser) return;
      setRequestParser(async (request) => {
        try {
          return await requestParser(request);
        } catch (error) {
          throw error instanceof SyntaxError || error instanceof TypeError ? badUserInput(UNREADABLE) : error;
        }
      });
    },
    // Ours, which every answer has, says more.
    onResponse: ({ response }) => response.headers.delete("cache-control"),
  };
}

const UNREADABLE = "The request cannot be read: `variables` and `extensions` must be JSON objects, and in a form `map` must lead from each file to its places, such as {\"0\": [\"variables.file\"]}.";

/** Gives the errors of syntax and validation the contract's code. */
export function useStableCodes(): Plugin {
  return {
    onExecutionResult({ result, setResult }) {
      if (!result || Symbol.asyncIterator in result || Array.isArray(result) || !("errors" in result) || !result.errors) return;
      setResult({ ...result, errors: result.errors.map(withStableCode) });
    },
  };
}

export const useLive = (live: Live): Plugin => ({
  onSubscribe({ setSubscribeFn }) {
    setSubscribeFn((args: ExecutionArgs) => live.subscribe(args));
  },
});
