// How loaded a device is: of those that may take a flow, the lowest gets it.

const HOUR_WEIGHT = 0.7;
const PROCESSING_WEIGHT = 0.3;

type Load = {
  /** Attempts in the last 60 minutes. */
  readonly messagesHour: number;
  /** Flows in its worker's queue or being attempted. */
  readonly currentProcessing: number;
};

export const loadScore = ({ messagesHour, currentProcessing }: Load): number =>
  messagesHour * HOUR_WEIGHT + currentProcessing * PROCESSING_WEIGHT;

/** A device goes on writing to its own people until it has so many messages in the hour; from then on any other may. */
const OWN_PEOPLE_UNTIL = 50;

export const keepsItsPeople = (messagesHour: number): boolean => messagesHour < OWN_PEOPLE_UNTIL;
