
/*
 * Copyright (C) the paygw authors
 */


/*
 * Preloaded into nginx under the sanitizers, behind the runtime of ASan.
 *
 * It writes each finding of UBSan to a file "$PAYGW_UBSAN_REPORT.PID".  In a
 * program that has both runtimes UBSan's own log_path is lost, since the
 * function that sets it is found in the other runtime; findings then go to the
 * standard error of nginx, which is its error log, which nobody reads after a
 * test that passed.
 *
 * And it keeps modules in memory: nginx unloads them before it ends, and what
 * a static variable of a module points to would then look like a leak, with a
 * stack without names.
 */


#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>


void __ubsan_get_current_report_data(const char **kind, const char **message,
    const char **file, unsigned *line, unsigned *column, char **address)
    __attribute__((weak));
void __ubsan_on_report(void);
int dlclose(void *handle);


static char  path[2048];


/* when it is loaded, since nginx empties its environment */

__attribute__((constructor)) static void
ngx_paygw_report_init(void)
{
    const char  *value;

    value = getenv("PAYGW_UBSAN_REPORT");

    (void) snprintf(path, sizeof(path), "%s", value == NULL ? "" : value);
}


void
__ubsan_on_report(void)
{
    char         name[4096], *address;
    FILE        *f;
    unsigned     line, column;
    const char  *kind, *message, *file;

    __ubsan_get_current_report_data(&kind, &message, &file, &line, &column,
                                    &address);

    (void) snprintf(name, sizeof(name), "%s.%ld", path, (long) getpid());

    f = fopen(name, "a");
    if (f == NULL) {
        abort();
    }

    fprintf(f, "%s:%u:%u: runtime error: %s (%s)\n", file, line, column,
            message, kind);
    fclose(f);
}


int
dlclose(void *handle)
{
    (void) handle;

    return 0;
}
