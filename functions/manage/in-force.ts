/** After this many seconds a change is in force on every instance: no instance decides by what is older. */
export const inForceWithin = 15
