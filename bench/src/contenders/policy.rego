# The benchmark's rules in Rego: the lists are data, the first pattern of a list
# that matches is reported, and the first rule that holds decides.
package bench

import rego.v1

hits(list) := [pattern | some pattern in list; glob.match(pattern, null, input.subject)]

decision := ["block", patterns[0]] if {
	input.action == "read_file"
	patterns := hits(data.lists.block_read)
	count(patterns) > 0
} else := ["allow", null] if {
	input.action == "read_file"
} else := ["block", patterns[0]] if {
	input.action == "write_file"
	patterns := hits(data.lists.block_write)
	count(patterns) > 0
} else := ["require_approval", patterns[0]] if {
	input.action == "write_file"
	patterns := hits(data.lists.ask_write)
	count(patterns) > 0
} else := ["require_approval", patterns[0]] if {
	input.action == "write_file"
	patterns := hits(data.lists.block_read)
	count(patterns) > 0
} else := ["allow", null] if {
	input.action == "write_file"
} else := ["block", patterns[0]] if {
	input.action == "execute_command"
	patterns := hits(data.lists.block)
	count(patterns) > 0
} else := ["require_approval", patterns[0]] if {
	input.action == "execute_command"
	patterns := hits(data.lists.ask)
	count(patterns) > 0
} else := ["allow", patterns[0]] if {
	input.action == "execute_command"
	patterns := hits(data.lists.allow)
	count(patterns) > 0
} else := ["block", patterns[0]] if {
	input.action == "git_operation"
	patterns := hits(data.lists.branches)
	count(patterns) > 0
} else := ["allow", null] if {
	input.action == "git_operation"
} else := ["block", null] if {
	input.action == "mcp_tool_call"
	input.subject in data.lists.blocked_servers
} else := ["allow", null] if {
	input.action == "mcp_tool_call"
	input.subject in data.lists.allowed_servers
} else := ["block", null] if {
	input.action == "mcp_tool_call"
} else := ["require_approval", null]
