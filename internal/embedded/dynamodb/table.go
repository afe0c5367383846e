package dynamodb

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// nameCharacters are those of the names of tables and indexes.
const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

// table is one table. A row's own content never changes, so that readers hold the lock only to find rows.
type table struct {
	name    string
	id      string
	created time.Time
	ready   time.Time // when it becomes ACTIVE; zero: it is from the beginning
	schema  schema
	billing string
	units   [2]int64 // provisioned, read and write

	mu       sync.RWMutex
	rows     rows
	indexes  []*index
	tags     map[string]string
	stream   *stream   // nil while there is none
	latest   *stream   // the current or the last one
	ttl      string    // the attribute, or ""
	guarded  bool      // DeletionProtectionEnabled
	onDemand time.Time // since when it is PAY_PER_REQUEST
	deleted  bool      // a writer that waited for the lock must not write any more
}

// tableName takes the name out of an ARN, of a table or of its stream, and out of an iterator, which begins with one.
func tableName(name string) string {
	if !strings.HasPrefix(name, "arn:") {
		return name
	}
	_, name, _ = strings.Cut(name, ":table/")
	name, _, _ = strings.Cut(name, "/stream/")
	return name
}

func (s *Server) tableARN(name string) string {
	return fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s", s.options.Region, s.options.Account, name)
}

// table finds a table for a call on its items: one that is still being made is not there yet.
func (s *Server) table(name string) (*table, error) {
	t, err := s.anyTable(name)
	if err == nil && s.creating(t.ready) {
		return nil, notFound("Requested resource not found")
	}
	return t, err
}

// creating reports whether what is ready from a time on is still being made.
func (s *Server) creating(ready time.Time) bool { return !ready.IsZero() && s.now().Before(ready) }

// readyAt is when something that is made now is ready; zero if it is at once.
func (s *Server) readyAt() (t time.Time) {
	if s.options.Creation > 0 {
		t = s.now().Add(s.options.Creation)
	}
	return t
}

// status is the table's. It needs the table's lock.
func (s *Server) status(t *table) string {
	switch {
	case s.creating(t.ready):
		return "CREATING"
	case slices.ContainsFunc(t.indexes, func(x *index) bool { return s.creating(x.ready) }):
		return "UPDATING"
	}
	return "ACTIVE"
}

// changeable refuses a change of a table that is being made or changed. It needs the table's lock.
func (s *Server) changeable(t *table) error {
	const inUse = "Attempt to change a resource which is still in use: "
	switch s.status(t) {
	case "CREATING":
		return &Error{Code: "ResourceInUseException", Message: inUse + "Table is being created: " + t.name}
	case "UPDATING":
		return &Error{Code: "ResourceInUseException", Message: inUse + "Table is being updated: " + t.name}
	}
	return nil
}

// anyTable finds a table for a call on the table itself.
func (s *Server) anyTable(name string) (*table, error) {
	name = tableName(name)
	if len(name) < 3 || len(name) > 255 || strings.Trim(name, nameCharacters) != "" {
		return nil, validation("Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tables[name]
	if t == nil {
		return nil, notFound("Requested resource not found")
	}
	return t, nil
}
