package dynamodb

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxTags is how many tags a table may have.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Tagging.html
const maxTags = 50

type tag struct {
	Key   string
	Value *string
}

type (
	tagResource struct {
		ResourceArn string
		Tags        []tag
	}
	untagResource struct {
		ResourceArn string
		TagKeys     []string
	}
	listTags struct {
		ResourceArn string
		NextToken   string // all tags fit into one answer
	}
	tagList  struct{ Tags []tag }
	noAnswer struct{}
)

// Limits of a tag, in characters.
const (
	maxTagKey   = 128
	maxTagValue = 256
)

// constrainTags checks tags: letters, numbers, space and a few other characters.
func (v *violations) constrainTags(tags []tag) {
	text := func(at, s string, least, most int) {
		n := utf8.RuneCountInString(s)
		switch {
		case n < least:
			v.add("Value '%s' at '%s' failed to satisfy constraint: Member must have length greater than or equal to %d", s, at, least)
		case n > most:
			v.add("Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", s, at, most)
		case strings.ContainsFunc(s, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsSpace(r) && !unicode.IsMark(r) && !strings.ContainsRune("+-=._:/@", r)
		}):
			v.add("Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$", s, at)
		}
	}
	for i, one := range tags {
		at := fmt.Sprintf("tags.%d.member.", i+1)
		text(at+"key", one.Key, 1, maxTagKey)
		if one.Value == nil {
			v.add("Value null at '%svalue' failed to satisfy constraint: Member must not be null", at)
			continue
		}
		text(at+"value", *one.Value, 0, maxTagValue)
	}
}

func (r *tagResource) constrain(v *violations) { v.constrainTags(r.Tags) }

// tagged finds the table of an ARN.
func (c *call) tagged(arn string) (*table, error) {
	if !strings.HasPrefix(arn, "arn:") {
		return nil, validation("Invalid TableArn: Invalid ResourceArn provided as input %s: ARNs must start with 'arn:'", arn)
	}
	if !strings.Contains(arn, ":table/") || strings.Contains(arn, "/index/") {
		return nil, validation("Invalid TableArn: Invalid ResourceArn provided as input %s", arn)
	}
	t, err := c.server.anyTable(arn)
	if err != nil || c.server.tableARN(t.name) != arn {
		return nil, notFound("Requested resource not found: ResourcArn: %s not found", arn)
	}
	return t, nil
}

func (c *call) tagResource(in *tagResource) (noAnswer, error) {
	t, err := c.tagged(in.ResourceArn)
	if err != nil {
		return noAnswer{}, err
	}
	if len(in.Tags) == 0 {
		return noAnswer{}, validation("Atleast one Tag needs to be provided as Input.")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	tags := maps.Clone(t.tags)
	if tags == nil {
		tags = map[string]string{}
	}
	for _, one := range in.Tags {
		tags[one.Key] = *one.Value
	}
	if len(tags) > maxTags {
		return noAnswer{}, validation("The number of tags exceeds the limit of %d", maxTags)
	}
	t.tags = tags
	return noAnswer{}, nil
}

func (c *call) untagResource(in *untagResource) (noAnswer, error) {
	t, err := c.tagged(in.ResourceArn)
	if err != nil {
		return noAnswer{}, err
	}
	if len(in.TagKeys) == 0 {
		return noAnswer{}, validation("Atleast one Tag Key needs to be provided as Input.")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range in.TagKeys {
		delete(t.tags, key)
	}
	return noAnswer{}, nil
}

// listTagsOfResource does not tell a caller that a table is not there.
func (c *call) listTagsOfResource(in *listTags) (tagList, error) {
	t, err := c.tagged(in.ResourceArn)
	if err != nil && asError(err).Code == "ResourceNotFoundException" {
		return tagList{}, &Error{Code: "AccessDeniedException", Message: "User is not authorized to perform: dynamodb:ListTagsOfResource on resource: " + in.ResourceArn}
	}
	if err != nil {
		return tagList{}, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := tagList{Tags: []tag{}}
	for _, key := range slices.Sorted(maps.Keys(t.tags)) {
		out.Tags = append(out.Tags, tag{key, new(t.tags[key])})
	}
	return out, nil
}

type endpoints struct {
	Endpoints []endpoint
}

type endpoint struct {
	Address              string
	CachePeriodInMinutes int
}

// describeEndpoints names the host that was asked.
func (c *call) describeEndpoints(*struct{}) (endpoints, error) {
	return endpoints{[]endpoint{{c.host, 1440}}}, nil
}
