// Vercel's AI SDK with its provider for Model Studio.
import { readFile } from "node:fs/promises";
import { createAlibaba } from "@ai-sdk/alibaba";
import { experimental_generateVideo as generateVideo } from "ai";

const [root] = process.argv.slice(2);
const LINK = "https://media.example.com/a.png"; // a picture's bytes it would send as bare base64, which the service does not document
const { version } = JSON.parse(await readFile("node_modules/ai/package.json"));
const service = createAlibaba({ apiKey: "sk-test1234", videoBaseURL: root });
// Its own refuses addresses of this machine.
const download = async ({ url }) => {
  const came = await fetch(url);
  return { data: new Uint8Array(await came.arrayBuffer()), mediaType: came.headers.get("content-type") };
};

async function made(name, model, prompt, alibaba = {}) {
  const providerOptions = { alibaba: { pollIntervalMs: 200, ...alibaba } };
  const { video } = await generateVideo({ model: service.video(model), prompt, duration: 2, seed: 1, resolution: "1280x720", providerOptions, download });
  if (Buffer.from(video.uint8Array.slice(4, 8)).toString() !== "ftyp") throw new Error(`${name}: no video`);
  console.log(`ai ${version}, ${name}: a video came`);
}

await made("image to video", "wan2.6-i2v-flash", { image: LINK, text: "it flies" });
await made("reference to video", "wan2.6-r2v-flash", "character1 waves", { referenceUrls: [LINK] });
