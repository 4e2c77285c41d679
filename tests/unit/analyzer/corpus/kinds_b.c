// The second file of kinds_a.c: a static function of the same name.
__attribute__((noinline, used)) static int helper(int x) { return (x << 3) ^ 11; }
int other_helper(int x) { return helper(x) - helper(x + 2); }
