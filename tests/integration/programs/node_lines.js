// Answers each line of a connection with its number there, when a thread of the pool has read a file.
const fs = require('fs'), net = require('net');

function answer(socket, lines, number) {
  fs.readFile(__filename, () => {
    socket.write(`${number} ${lines.shift()}\n`);
    if (lines.length) answer(socket, lines, number + 1);
    else lines.number = number + 1;
  });
}

net.createServer((socket) => {
  const lines = [];
  let rest = '';
  lines.number = 1;
  socket.on('error', () => {});
  socket.on('data', (data) => {
    const parts = (rest + data).split('\n');
    rest = parts.pop();
    const idle = lines.length === 0;
    lines.push(...parts);
    if (idle && lines.length) answer(socket, lines, lines.number);
  });
}).listen(+process.argv[2], '127.0.0.1');
process.on('SIGTERM', () => process.exit(5));
