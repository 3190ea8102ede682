# paygw: payments as nginx configuration.  "make help" lists what there is.

BUILD ?= build
DEPS ?= .deps
NGINX_BINARY ?= /usr/sbin/nginx
NGX_SRC ?=
NGX_CONF ?=
WERROR ?=
STORE ?= zone
KEEP ?=
DURATION ?=
SECONDS ?=
DESTDIR ?=

export PAYGW_BUILD := $(abspath $(BUILD))
export PAYGW_DEPS := $(abspath $(DEPS))
export NGINX_BINARY NGX_SRC NGX_CONF WERROR STORE KEEP DURATION

TOOLS := t/tools
MODULE := $(BUILD)/ngx_http_paygw_module.so

LUADIR ?= /usr/local/share/lua/5.1

MODULES_DIR ?= $(shell $(NGINX_BINARY) -V 2>&1 | tr ' ' '\n' \
                       | sed -n 's/^--modules-path=//p')

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
.NOTPARALLEL:

.PHONY: help
help: ## this list
	@echo "usage: make [target] [VARIABLE=value ...]"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' \
	    $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  logs of each step are in $(BUILD)/log and $(BUILD)/*.log"

.PHONY: setup
setup: ## install what is missing, from Debian's packages
	@sh $(TOOLS)/setup.sh $(SETS)

.PHONY: setup-build setup-demo setup-test setup-valgrind setup-matrix \
        setup-bench
setup-build:
	@sh $(TOOLS)/setup.sh build
setup-demo:
	@sh $(TOOLS)/setup.sh demo
setup-test:
	@sh $(TOOLS)/setup.sh build demo test fuzz
setup-valgrind:
	@sh $(TOOLS)/setup.sh valgrind
setup-matrix:
	@sh $(TOOLS)/setup.sh matrix
setup-bench:
	@sh $(TOOLS)/setup.sh bench

.PHONY: build
build: setup-build ## the module for the installed nginx; NGX_SRC=DIR: a tree
	@bash $(TOOLS)/build.sh $(BUILD) .

# the tests' own module, next to the one that it tests
.PHONY: build-test
build-test: build setup-test
	@if [ -f t/module/config ]; then \
	    OBJS=objs-test bash $(TOOLS)/build.sh $(BUILD) t/module; fi

.PHONY: demo
demo: setup-demo build ## a payment, from order to ack; STORE=redis, KEEP=1
	@bash $(TOOLS)/demo.sh

.PHONY: test
test: build-test ## everything that CI runs
	@bash $(TOOLS)/test.sh

.PHONY: suite
suite: build-test ## the suites with one store; STORE=redis, FILES=t/x.t
	@sh $(TOOLS)/prove.sh suite-$(STORE) $(STORE) $(FILES)

.PHONY: check
check: build setup-demo ## style, includes, symbols, documentation, examples
	@sh $(TOOLS)/check.sh

.PHONY: sanitize
sanitize: build-test ## the suites with ASan and UBSan; LANES=pool, FILES=
	@bash $(TOOLS)/sanitize.sh $(LANES)

.PHONY: sanitize-selftest
sanitize-selftest: setup-test ## proof that the sanitizers report
	@bash $(TOOLS)/sanitize.sh selftest

.PHONY: valgrind
valgrind: build-test setup-valgrind ## the suites with valgrind; FILES=
	@sh $(TOOLS)/valgrind.sh

.PHONY: valgrind-selftest
valgrind-selftest: setup-valgrind ## proof that valgrind's findings count
	@sh $(TOOLS)/valgrind.sh selftest

.PHONY: fuzz
fuzz: setup-test ## each fuzz target for SECONDS=600
	@sh t/fuzz/run.sh $(or $(SECONDS),600)

.PHONY: matrix
matrix: setup-matrix ## build and suites on other releases; MATRIX="trixie"
	@bash $(TOOLS)/matrix.sh $(MATRIX)

.PHONY: bench
bench: setup-bench build ## requests a second and cost, to build/bench.json
	@bash $(TOOLS)/bench.sh

.PHONY: soak
soak: setup-bench build ## a million callbacks and reloads: nothing may grow
	@bash $(TOOLS)/soak.sh

.PHONY: ledger
ledger: setup-demo build ## kill -9 under load, then count; DURATION=60
	@bash $(TOOLS)/ledger.sh

.PHONY: transport
transport: build setup-test ## orders while their provider dies; DURATION=
	@bash $(TOOLS)/transport.sh

.PHONY: rotation
rotation: build setup-test ## keys change under load, forged serials; DURATION=
	@bash $(TOOLS)/rotation.sh

.PHONY: limits
limits: build-test ## two nginx on one Redis and one limit; DURATION=30
	@DURATION=$(or $(DURATION),30) HARNESS_VERBOSE=1 \
	    sh $(TOOLS)/prove.sh limits redis t/limit-nginx.t
	@sed -n 's/^ok .* two: \([0-9]* in .*\)/==> limits: \1/p' \
	    $(BUILD)/log/limits.log

.PHONY: ledger-queue
ledger-queue: setup-demo build ## the same for paygw_queue; COUNT=100000
	@bash $(TOOLS)/ledger-queue.sh

.PHONY: install
install: build ## copy the module to nginx' folder, resty.paygw to LUADIR
	@test -n "$(MODULES_DIR)" \
	    || { echo "install: set MODULES_DIR=" >&2; exit 1; }
	install -d "$(DESTDIR)$(MODULES_DIR)"
	install -m 644 $(MODULE) "$(DESTDIR)$(MODULES_DIR)/"
	install -d "$(DESTDIR)$(LUADIR)/resty"
	install -m 644 lua-compat/lib/resty/paygw.lua \
	    "$(DESTDIR)$(LUADIR)/resty/"

.PHONY: uninstall
uninstall: ## remove what install has copied
	@test -n "$(MODULES_DIR)" \
	    || { echo "uninstall: set MODULES_DIR=" >&2; exit 1; }
	rm -f "$(DESTDIR)$(MODULES_DIR)/$(notdir $(MODULE))" \
	    "$(DESTDIR)$(LUADIR)/resty/paygw.lua"

.PHONY: deb
deb: build ## a Debian package for the installed nginx
	@bash $(TOOLS)/deb.sh

.PHONY: clean
clean: ## remove what was built; keeps the roots of "make matrix"
	@if [ -d "$(BUILD)" ]; then \
	    find "$(BUILD)" -mindepth 1 -maxdepth 1 ! -name matrix \
	        -exec rm -rf {} + ; fi
	@rm -rf t/servroot_*

.PHONY: distclean
distclean: clean ## remove also what setup and matrix fetched
	@rm -rf "$(BUILD)" "$(DEPS)"
