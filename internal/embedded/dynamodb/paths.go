package dynamodb

import (
	"slices"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// checkUpdated refuses an update of a key attribute, and of what would be inside one of an index' key.
func (t *table) checkUpdated(paths []expression.Path) error {
	for _, p := range paths {
		if t.schema.has(p.Top()) {
			return validation(wrongValues+"Cannot update attribute %s. This attribute is part of the key", p.Top())
		}
	}
	return t.checkPaths(paths)
}

// checkPaths refuses paths into a key attribute, of the table or of an index: these attributes are scalars.
func (t *table) checkPaths(paths []expression.Path) error {
	const scalars = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
	nested := func(attributes []keyAttribute) string {
		for _, a := range attributes {
			if slices.ContainsFunc(paths, func(p expression.Path) bool { return p.Nested() && p.Top() == a.name }) {
				return a.name
			}
		}
		return ""
	}
	if !slices.ContainsFunc(paths, expression.Path.Nested) {
		return nil
	}
	if name := nested(t.schema); name != "" {
		return validation(scalars+"Key: %s", name)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, x := range t.indexes {
		if name := nested(x.key()); name != "" {
			return validation(scalars+"IndexKey: %s", name)
		}
	}
	return nil
}

// checkFilter refuses a filter of a Query by an attribute of the key that is queried; the condition on the key is where it
// belongs.
func (r *reading) checkFilter(parameter string) error {
	hash, sort := r.key()
	for _, a := range slices.Concat(hash, sort) {
		if slices.ContainsFunc(r.filter.Paths(), func(p expression.Path) bool { return p.Top() == a.name }) {
			return validation("%s can only contain non-primary key attributes: Primary key attribute: %s", parameter, a.name)
		}
	}
	return nil
}
