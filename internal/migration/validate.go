package migration

import (
	"net"
	"net/url"
	"regexp"
	"time"
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)

// validate checks what one field's tags cannot say.
func (r *reader) validate(c *Config) {
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			r.at(r.place(field), field, format, args...)
		}
	}
	check(namePattern.MatchString(c.Name), "name", "must be 1 to 200 letters, digits, '.', '_' or '-', not %q", c.Name)
	check(c.Grace >= time.Second, "grace", "must be at least 1s, not %s", c.Grace)
	r.validateSide(check, "source.dynamodb", c.Source.DynamoDB)
	r.validateSide(check, "target.dynamodb", c.Target.DynamoDB)
	check(c.Source.DynamoDB != c.Target.DynamoDB, "target.dynamodb", "is the same table as source.dynamodb")
	r.validateKafka(check, c.Kafka)
	_, said := r.places["live.position"]
	check(!said || c.Live.From == "app", "live.position", "goes only with live.from: app, not %s", c.Live.From)
	a := c.Attributes
	names := map[string]string{}
	for _, n := range []struct{ field, name string }{
		{"attributes.version", a.Version}, {"attributes.deleted", a.Deleted}, {"attributes.shard", a.Shard}, {"attributes.tombstone", a.Tombstone},
	} {
		check(len(n.name) > 0 && len(n.name) <= 255, n.field, "must have 1 to 255 bytes")
		check(names[n.name] == "", n.field, "has the same name as %s", names[n.name])
		names[n.name] = n.field
	}
}

type checker func(ok bool, field, format string, args ...any)

func (r *reader) validateSide(check checker, path string, d DynamoDB) {
	check(len(d.Table) >= 3 && len(d.Table) <= 255 || len(d.Table) > 20 && d.Table[:4] == "arn:", path+".table", "must be a table's name of 3 to 255 characters, not %q", d.Table)
	if d.Endpoint != "" {
		u, err := url.Parse(d.Endpoint)
		check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", path+".endpoint",
			"must be a URL such as http://127.0.0.1:8000, not %q", d.Endpoint)
	}
}

func (r *reader) validateKafka(check checker, k Kafka) {
	embedded := k.Embedded.Dir != ""
	check(embedded || len(k.Brokers) > 0, "kafka", "needs brokers, or embedded with dir")
	check(!embedded || len(k.Brokers) == 0, "kafka.embedded", "does not go with kafka.brokers: choose one")
	for _, b := range k.Brokers {
		_, _, err := net.SplitHostPort(b)
		check(err == nil, "kafka.brokers", "must each be host:port, not %q", b)
	}
	check(!embedded || !k.TLS.Enabled, "kafka.tls", "does not go with kafka.embedded")
	check((k.TLS.CertFile == "") == (k.TLS.KeyFile == ""), "kafka.tls", "cert_file and key_file go together")
	check(k.TLS.Enabled || k.TLS == TLS{}, "kafka.tls", "has settings and enabled is false")
	if k.SASL == (SASL{}) {
		return
	}
	check(!embedded, "kafka.sasl", "does not go with kafka.embedded")
	check(k.SASL.Mechanism != "" && k.SASL.Username != "", "kafka.sasl", "needs mechanism and username")
	check((k.SASL.PasswordEnv == "") != (k.SASL.PasswordFile == ""), "kafka.sasl", "needs one of password_env and password_file")
}
