# Answers each line of a connection with its number there; a thread for each connection.
require 'socket'

server = TCPServer.new('127.0.0.1', ARGV[0].to_i)
trap('TERM') { exit!(5) }
loop do
  Thread.new(server.accept) do |socket|
    number = 0
    while (line = socket.gets)
      socket.write("#{number += 1} #{line}")
    end
  rescue SystemCallError
    nil
  ensure
    socket.close
  end
end
