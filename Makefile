# Two commands for newcomers: `make demo` and `make test`. Needed: a Rust toolchain, Node >= 20.19, make, a C compiler.
.PHONY: demo test test-long web bench fuzz dist

demo: web   ## a simulated hospital, boards on http://127.0.0.1:8080
	cargo build --release --locked --package orderly
	exec target/release/orderly demo

test:       ## everything, on one build, in a few minutes
	@tests/scripts/test.sh short

test-long:  ## the same with the full numbers; takes hours
	@tests/scripts/test.sh long

web:        ## the boards, built once and again when their sources change
	@tests/scripts/web.sh

bench: web  ## the figures beside the limits of this machine, in about six minutes
	@tests/scripts/bench.sh

fuzz:       ## 20 seconds of libFuzzer for everything that takes bytes from outside (SECONDS_EACH=n for more)
	@tests/scripts/fuzz.sh $(or $(SECONDS_EACH),20)

dist: web   ## the binary and what is installed beside it, in target/dist
	@tests/scripts/dist.sh
