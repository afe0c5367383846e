package migration

import (
	"cmp"
	"slices"
	"strconv"
)

// Fingerprint is what create records, and what must not change after it: the fields that give positions, segments
// and stored items their meaning. How the parts are reached, paces and secrets may change.
func (c *Config) Fingerprint() map[string]string {
	f := map[string]string{
		"name":                   c.Name,
		"source.dynamodb.table":  c.Source.DynamoDB.Table,
		"source.dynamodb.region": c.Source.DynamoDB.Region,
		"target.dynamodb.table":  c.Target.DynamoDB.Table,
		"target.dynamodb.region": c.Target.DynamoDB.Region,
		"kafka.partitions":       strconv.Itoa(c.Kafka.Partitions),
		"kafka.work_partitions":  strconv.Itoa(c.Kafka.WorkPartitions),
		"live.from":              c.Live.From,
		"snapshot.segments":      strconv.Itoa(c.Snapshot.Segments),
		"attributes.version":     c.Attributes.Version,
		"attributes.deleted":     c.Attributes.Deleted,
		"attributes.shard":       c.Attributes.Shard,
		"attributes.tombstone":   c.Attributes.Tombstone,
		"grace":                  c.Grace.String(), // the sweep counts on what every worker keeps to
	}
	if c.Live.From == "app" {
		f["live.position"] = c.Live.Position
	}
	return f
}

// Difference is a field that is not what was recorded.
type Difference struct{ Field, Recorded, Now string }

// Differences lists what differs, by field.
func Differences(recorded, now map[string]string) []Difference {
	var all []Difference
	for field, was := range recorded {
		if now[field] != was {
			all = append(all, Difference{field, was, now[field]})
		}
	}
	for field, is := range now {
		if _, known := recorded[field]; !known {
			all = append(all, Difference{field, "", is})
		}
	}
	slices.SortFunc(all, func(a, b Difference) int { return cmp.Compare(a.Field, b.Field) })
	return all
}
