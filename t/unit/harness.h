
/*
 * Copyright (C) the paygw authors
 */


#ifndef _HARNESS_H_INCLUDED_
#define _HARNESS_H_INCLUDED_


/*
 * What the unit tests and the fuzzers share: enough of a running nginx for
 * the floors below http/.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"


/* once, before all else; relative names of configuration start at dir */
void harness_init(const char *dir);

/* a configuration that is being read, with pools of its own */
ngx_conf_t *harness_conf(void);
void harness_conf_free(ngx_conf_t *cf);

/*
 * A channel with its parameters, one line each ("mchid 1900009191"), ended by
 * NULL; made in the order in which http/ makes it.  NULL if it is refused.
 */
ngx_paygw_channel_t *harness_channel(ngx_conf_t *cf, const char *provider,
    const char *name, const char **lines);

/* a copy in the pool, ended by a NUL that is not counted */
ngx_str_t harness_str(ngx_pool_t *pool, const char *s);

/* a whole file below the folder of harness_init() */
ngx_str_t harness_file(ngx_pool_t *pool, const char *name);

/* what was logged since the last harness_log_reset(), one message a line */
const char *harness_log(void);
void harness_log_reset(void);
ngx_log_t *harness_ngx_log(void);


#endif /* _HARNESS_H_INCLUDED_ */
