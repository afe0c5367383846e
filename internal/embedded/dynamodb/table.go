package dynamodb

import (
	"fmt"
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
	schema  schema
	billing string
	units   [2]int64 // provisioned, read and write

	mu      sync.RWMutex
	rows    rows
	indexes []*index
	tags    map[string]string
	stream  *stream // nil while there is none
	latest  *stream // the current or the last one
	ttl     string  // the attribute, or ""
	deleted bool    // a writer that waited for the lock must not write any more
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

// table finds a table for a call on its items.
func (s *Server) table(name string) (*table, error) {
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
