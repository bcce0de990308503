import { builder } from "../graphql/builder.ts";
import { nodeRef } from "../graphql/node.ts";
import { DEVICE_STATUSES, devicesById, type Device } from "./service.ts";

export const DeviceStatusEnum = builder.enumType("DeviceStatus", { values: DEVICE_STATUSES });

export const DeviceRef = nodeRef<Device>("Device", (ids, { db }) => devicesById(db, ids));
