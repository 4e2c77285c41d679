// What the small programs do on one command. Old and new differ in NEW_VERSION.
#pragma once
int work(int command, int argument);  // one command; the result is printed
