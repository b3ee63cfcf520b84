// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Signs a file with VERIFYYOU_SIGNING_SECRET, posts it to a URL and prints the answer.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";

const [url, file] = process.argv.slice(2);
const body = readFileSync(file);
const { stage } = JSON.parse(body);
const signature = createHmac("sha256", process.env.VERIFYYOU_SIGNING_SECRET).update(body).digest("hex");
const headers = {
  "Content-Type": "application/json",
  "X-VerifyYou-Event": stage,
  "X-VerifyYou-Signature": `sha256=${signature}`,
};

request(url, { method: "POST", headers }, async (response) => {
  console.log(response.statusCode, Buffer.concat(await response.toArray()).toString());
}).end(body);
