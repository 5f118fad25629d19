// Drives the official `unipile-node-sdk`, with its strictest validation, against a running sandbox.
//
// Usage: npm install unipile-node-sdk@1.9.3, start `sandbox`, then: node unipile_client.mjs http://127.0.0.1:8787
// The module is looked up from the current directory, so that nothing has to be installed here.

import assert from "node:assert/strict";
import http from "node:http";
import { createRequire } from "node:module";
import { once } from "node:events";

const { UnipileClient } = createRequire(`${process.cwd()}/`)("unipile-node-sdk");

const base = process.argv[2] ?? "http://127.0.0.1:8787";
const account_id = "acc_li_7";
const mailbox = "acc_mail_7";
const person = "sim-dana-whitlock-00000a";
const client = new UnipileClient(`${base}/unipile`, "sandbox-key", {
  validateRequestPayload: true,
  validateRequestPayloadLevel: "error",
});

const done = (what) => console.log(`ok ${what}`);

async function refused(type, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.body?.type, `errors/${type}`, JSON.stringify(error.body ?? error));
    return true;
  });
}

async function behave(id, behaviour) {
  const response = await fetch(`${base}/__sandbox/unipile/people/${encodeURIComponent(id)}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(behaviour),
  });
  assert.equal(response.status, 204, await response.text());
}

const heard = [];
const receiver = http.createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    heard.push({ headers: request.headers, body: JSON.parse(body) });
    response.end();
  });
});
receiver.listen(0, "127.0.0.1");
await once(receiver, "listening");
const request_url = `http://127.0.0.1:${receiver.address().port}/hook`;

async function until(what, holds) {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `${what}: not within 10 s; heard ${JSON.stringify(heard)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  done(what);
}

await behave(person, { accept: "never", reply: null });

const accounts = await client.account.getAll({ limit: 250 });
assert.equal(accounts.items.length, 44);
const firstPage = await client.account.getAll({ limit: 10 });
assert.equal((await client.account.getAll({ limit: 10, cursor: firstPage.cursor })).items[0].id, accounts.items[10].id);
assert.equal((await client.account.getOne(account_id)).type, "LINKEDIN");
assert.equal((await client.account.getOne(mailbox)).type, "MAIL");
done("accounts");

const headers = [{ key: "Unipile-Auth", value: "secret" }];
for (const source of ["messaging", "email"]) {
  const { webhook_id } = await client.webhook.create({ request_url, source, headers, account_ids: [account_id, mailbox] });
  assert.ok(webhook_id);
}
assert.equal((await client.webhook.getAll()).items.length >= 2, true);
done("webhooks");

const profile = await client.users.getProfile({ account_id, identifier: person, linkedin_sections: "*" });
assert.equal(profile.public_identifier, person);
assert.equal(profile.network_distance === "FIRST_DEGREE", profile.is_relationship);
done("profile");

const { provider_id } = profile;
const invitation = await client.users.sendInvitation({ account_id, provider_id, message: "Shall we connect?" });
assert.match(invitation.invitation_id, /^\d{19}$/);
await refused("already_invited_recently", () => client.users.sendInvitation({ account_id, provider_id }));
const sent = await client.users.getAllInvitationsSent({ account_id });
assert.equal(sent.items[0].id, invitation.invitation_id);
assert.equal((await client.users.getProfile({ account_id, identifier: provider_id })).invitation.status, "PENDING");
const other = (await client.users.getProfile({ account_id, identifier: "sim-lee-marsh-00000b" })).provider_id;
const { invitation_id } = await client.users.sendInvitation({ account_id, provider_id: other });
await client.users.cancelInvitationSent({ account_id, invitation_id });
await refused("cannot_resend_yet", () => client.users.sendInvitation({ account_id, provider_id: other }));
done("invitation");

await refused("no_connection_with_recipient", () =>
  client.messaging.startNewChat({ account_id, attendees_ids: [provider_id], text: "Hello" }));
await behave(person, { accept: "at_once", reply: null });
const relations = await client.users.getAllRelations({ account_id, limit: 1 });
assert.equal(relations.items[0].public_identifier, person);
assert.ok(relations.cursor);
assert.notEqual((await client.users.getAllRelations({ account_id, cursor: relations.cursor })).items[0].member_id, provider_id);
done("relations");

const chat = await client.messaging.startNewChat({ account_id, attendees_ids: [provider_id], text: "Thanks for connecting." });
const message = await client.messaging.sendMessage({ chat_id: chat.chat_id, text: "How do you track kegs today?" });
const messages = await client.messaging.getAllMessagesFromChat({ chat_id: chat.chat_id });
assert.deepEqual(messages.items.map((item) => item.id), [message.message_id, chat.message_id]);
assert.equal((await client.messaging.getAllMessages({ account_id })).items.length, 2);
assert.equal((await client.messaging.getAllChats({ account_id })).items[0].attendee_provider_id, provider_id);
assert.equal((await client.messaging.getChat(chat.chat_id)).lastMessage.id, message.message_id);
await until("own messages echoed", () => heard.filter(({ body }) => body.event === "message_received").length === 2);

const address = "nobody@nowhere.example";
await behave(address, { bounce: false, reply: { kind: "opt_out", after_ms: 0 } });
const email = await client.email.send({
  account_id: mailbox, to: [{ display_name: "Dana Whitlock", identifier: address }], subject: "Kegs", body: "<p>Hello</p>",
  custom_headers: [{ name: "List-Unsubscribe", value: "<https://app.example/u/1>" }],
});
assert.ok(email.tracking_id);
await until("opt-out by email", () => heard.some(({ body }) => body.event === "mail_received"));
const mails = await client.email.getAll({ account_id: mailbox });
assert.deepEqual(mails.items.map((item) => item.role), ["inbox", "sent"]);
assert.equal(mails.items[1].tracking_id, email.tracking_id);
assert.ok(heard.every((one) => one.headers["unipile-auth"] === "secret" && one.headers["content-type"] === undefined));
done("emails");

for (const { id } of (await client.webhook.getAll()).items) await client.webhook.delete(id);
assert.equal((await client.webhook.getAll()).items.length, 0);
done("webhooks deleted");
receiver.close();
