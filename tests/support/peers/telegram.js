// A person on Telegram, played by telegram-test-api: it serves the bot's API, and dragoman asks it for updates.
// node telegram.js <dragoman> <folder for its data> <three free ports>
'use strict';
const assert = require('assert');
const { spawn } = require('child_process');
const { openSync, readFileSync } = require('fs');
const path = require('path');
const { createRequire } = require('module');
const TelegramServer = createRequire(`${process.env.TOOL_HOME}/node_modules/`)('telegram-test-api');

const DOCUMENT = path.join(__dirname, '../../chaos/parcels.yaml');
const TOKEN = '110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw';
const [dragoman, folder, api, http, console_, ops] = process.argv.slice(2);

async function main() {
  const server = new TelegramServer({ port: Number(api), host: '127.0.0.1', storage: 'RAM' });
  await server.start();
  const person = server.getClient(TOKEN, { timeout: 60000, interval: 100 });
  const log = openSync(`${folder}/telegram.log`, 'w');
  const env = {
    ...process.env,
    TELEGRAM_BOT_TOKEN: TOKEN,
    TELEGRAM_API_URL: server.config.apiURL,
    DRAGOMAN__HTTP__LISTEN: `127.0.0.1:${http}`,
    DRAGOMAN__CONSOLE__LISTEN: `127.0.0.1:${console_}`,
    DRAGOMAN__OPS__LISTEN: `127.0.0.1:${ops}`,
  };
  const bot = spawn(dragoman, ['--data', `${folder}/telegram`, '--document', DOCUMENT], { env, stdio: ['ignore', log, log] });
  const ended = new Promise((_, failed) => bot.on('exit', (code) => failed(new Error(`dragoman ended with ${code}`))));
  const said = [];
  // What the bot said since the last time, each message as the API took it.
  const answers = async () => {
    const { ok, result } = await Promise.race([person.getUpdates(), ended]);
    assert(ok && result.length > 0, 'no answer');
    said.push(...result);
    return result.map((update) => update.message);
  };
  try {
    await person.sendMessage(person.makeMessage('hello'));
    const greeting = await answers();
    assert(greeting.every((message) => String(message.chat_id) === '1' && message.text), JSON.stringify(greeting));
    const buttons = greeting.flatMap((message) => {
      const markup = message.reply_markup;
      const keyboard = typeof markup === 'string' ? JSON.parse(markup) : markup;
      return keyboard?.inline_keyboard?.flat() ?? [];
    });
    assert(buttons.length > 0, `the greeting offers nothing: ${JSON.stringify(greeting)}`);
    assert(buttons.every((button) => Buffer.byteLength(button.callback_data) <= 64));
    await person.sendCallback(person.makeCallbackQuery(buttons[0].callback_data, { message: { message_id: said.at(-1).messageId, date: 1 } }));
    const chosen = await answers();
    assert(chosen.every((message) => message.text), JSON.stringify(chosen));
    console.log(`telegram-test-api: a greeting with ${buttons.length} buttons, and an answer to "${buttons[0].text}"`);
  } catch (error) {
    console.error(readFileSync(`${folder}/telegram.log`, 'utf8').split('\n').slice(-20).join('\n'));
    throw error;
  } finally {
    bot.removeAllListeners('exit');
    bot.kill();
    await server.stop();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
