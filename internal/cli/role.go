package cli

// Role is the flag that splits a streamer's two roles.
type Role struct {
	Only string `enum:"capture,apply," default:"" placeholder:"capture|apply" help:"Do only this of the two: capture the old table's changes, or apply records to the new table."`
}

// Captures reports whether this process captures.
func (r Role) Captures() bool { return r.Only != "apply" }

// Applies reports whether this process applies.
func (r Role) Applies() bool { return r.Only != "capture" }
