import { builder } from "./builder.ts";
import type { BuilderTypes } from "./types.ts";

/** An enum of the values of a const array, each with a description: a value that is left out is an error of types. */
export function describedEnum<const Value extends string>(
  name: string,
  description: string,
  values: readonly Value[],
  descriptions: Readonly<Record<NoInfer<Value>, string>>,
): PothosSchemaTypes.EnumRef<BuilderTypes, Value> {
  const described = Object.fromEntries(values.map((value) => [value, { description: descriptions[value] }])) as Record<Value, { description: string }>;
  return builder.enumType(name, { description, values: described }) as PothosSchemaTypes.EnumRef<BuilderTypes, Value>;
}
