import { proto } from "baileys";
import { expect, test } from "vitest";
import { messageText } from "../../../../src/transports/whatsapp/message-text.ts";

const textOf = (message: proto.IMessage) => messageText(proto.Message.encode(message).finish());

test.each<[string, proto.IMessage, string]>([
  ["a plain text", { conversation: "STOP" }, "STOP"],
  ["one that answers another", { extendedTextMessage: { text: "Yes please", contextInfo: { stanzaId: "X" } } }, "Yes please"],
  ["one of a chat whose messages disappear", { ephemeralMessage: { message: { extendedTextMessage: { text: "Stop" } } } }, "Stop"],
  ["a picture with words", { imageMessage: { caption: "Like this?" } }, "Like this?"],
  ["a video with words", { videoMessage: { caption: "Or so?" } }, "Or so?"],
  ["a document with words", { documentWithCaptionMessage: { message: { documentMessage: { caption: "The form" } } } }, "The form"],
  ["a picture without words", { imageMessage: {} }, ""],
  ["a voice message", { audioMessage: { ptt: true } }, ""],
  ["a sticker", { stickerMessage: {} }, ""],
  ["a button that was pressed", { buttonsResponseMessage: { selectedDisplayText: "Unsubscribe" } }, "Unsubscribe"],
  ["a choice from a list", { listResponseMessage: { title: "Mornings" } }, "Mornings"],
  ["an edit", { protocolMessage: { type: proto.Message.ProtocolMessage.Type.MESSAGE_EDIT, editedMessage: { conversation: "STOP" } } }, "STOP"],
  ["a text with what stands beside it", { conversation: "Hello", messageContextInfo: { messageSecret: new Uint8Array(32) } }, "Hello"],
])("%s is a reply", (_what, message, text) => {
  expect(textOf(message)).toBe(text);
});

test.each<[string, proto.IMessage]>([
  ["a reaction", { reactionMessage: { text: "👍", key: { id: "X" } } }],
  ["a message that is taken back", { protocolMessage: { type: proto.Message.ProtocolMessage.Type.REVOKE, key: { id: "X" } } }],
  ["a setting of the chat", { protocolMessage: { type: proto.Message.ProtocolMessage.Type.EPHEMERAL_SETTING, ephemeralExpiration: 86_400 } }],
  ["a key of a group", { senderKeyDistributionMessage: { groupId: "g" } }],
  ["nothing at all", {}],
])("%s is none", (_what, message) => {
  expect(textOf(message)).toBeNull();
});
